"""The science: labelled scenarios and studies, run on the product itself."""
