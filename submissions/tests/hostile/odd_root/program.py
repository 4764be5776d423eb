"""Well-behaved, were its root file system not what the engine stumbles over before it starts anything."""

from serving import serve

serve()
