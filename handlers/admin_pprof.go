package handlers

import (
	"net/http"
	"net/http/pprof" // it also registers with the default mux, which nothing serves
	"time"

	"github.com/gin-gonic/gin"
)

// profile serves `go tool pprof`. A profile may take longer than the server's deadlines: the read deadline, which would cancel the request,
// is removed here, and pprof itself extends the write deadline.
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
		pprof.Index(c.Writer, c.Request) // the list, and all other profiles by name
	}
}
