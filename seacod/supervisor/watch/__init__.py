"""Everything that is watched and told: memory, GPUs, disk, requests, crashes."""
