"""Makes the dataset: source → replay log → episodes → shards → card → destination."""
