package gcp

import "strings"

// RegionOf a location: a zone (europe-west3-a) lies in the region before its last
// dash, a region is its own.
func RegionOf(location string) string {
	if parts := strings.Split(location, "-"); len(parts) == 3 {
		return parts[0] + "-" + parts[1]
	}
	return location
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
