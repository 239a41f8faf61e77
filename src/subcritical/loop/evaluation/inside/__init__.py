"""What runs inside the evaluation sandboxes, bound read-only: nothing here imports the rest of the product."""
