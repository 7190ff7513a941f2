"""From fields and triangle soups to closed, light surfaces."""
