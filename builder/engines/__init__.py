"""What runs the tasks of a publication: this process, several, a cluster."""
