"""Any model of the diffusers library behind the Prior protocol."""
