package handlers

import (
	"net/http"
	"net/http/pprof" // it also registers with the default mux, which is served nowhere
	"time"

	"github.com/gin-gonic/gin"
)

// profile answers what `go tool pprof` asks. That may take longer than the server's deadlines. The one for reading, which
// holds on after the request is read and then cancels it, is lifted here; pprof puts off the one for writing itself.
func profile(c *gin.Context) {
	if err := http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}); err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": "no profile on this connection"})
		return
	}
	switch c.Param("name") {
	case "/profile":
		pprof.Profile(c.Writer, c.Request)
	case "/trace":
		pprof.Trace(c.Writer, c.Request)
	case "/symbol":
		pprof.Symbol(c.Writer, c.Request)
	case "/cmdline":
		pprof.Cmdline(c.Writer, c.Request)
	default:
		pprof.Index(c.Writer, c.Request) // the list, and all others by name
	}
}
