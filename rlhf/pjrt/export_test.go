package pjrt

// For the tests: what no network is needed for.
var (
	CheckPlugin = checkPlugin
	Download    = download
)
