"""Reads files wherever they lie: on a disk, on the web, in Google's or Amazon's stores."""
