"""A dataset repo that this project built or published, as a source."""
