"""What methods that reconstruct images share."""
