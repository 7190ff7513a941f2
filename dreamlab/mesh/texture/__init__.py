"""From surfaces to images: charts, baking, light."""
