package frontend_test

import "testing"

func TestJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser for minutes: not with -short")
	}
	b := startBrowser(t)
	l := startLab(t)
	t.Run("life", func(t *testing.T) { life(t, b, l) })
	t.Run("buttons", func(t *testing.T) { buttons(t, b, l) })
	t.Run("tour", func(t *testing.T) { tour(t, b, l) })
}
