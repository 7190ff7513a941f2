"""Fields and rays: encodings, small networks, marching and compositing, each with its twin."""
