"""The catalogues of features, and FeatureSet: which filters, in which order, with which halo."""
