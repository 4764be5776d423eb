"""The web part as it is served: other servers beside it, slow clients, large uploads, a load of readers and teams."""
