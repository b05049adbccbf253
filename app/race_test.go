//go:build race

package app_test

// raceDetector says whether go test -race built this.
const raceDetector = true
