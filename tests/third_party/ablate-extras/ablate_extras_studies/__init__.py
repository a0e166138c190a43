"""The claims that come with the techniques, one YAML file each."""
