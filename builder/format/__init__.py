"""What a dataset is made of: games, configs, layout, features, manifests and frames."""
