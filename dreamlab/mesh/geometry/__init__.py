"""What a mesh is: topology, shape, colours."""
