"""The five systems that this project grew from: their recipes run again, beside the figures that they printed."""
