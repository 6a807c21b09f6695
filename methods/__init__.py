"""Methods: fit on a training set, score images. The contract is in `methods.base`."""
