// The custom element is not in this build.
