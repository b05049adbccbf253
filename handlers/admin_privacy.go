package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

// erase removes a customer and all that is about them. It goes on if the client hangs up. If the customer was erased before, it only cleans
// the files again.
func (a admin) erase(c *gin.Context, id int64) (int, any, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), longTimeout)
	defer cancel()
	started := time.Now()
	e, err := a.Store.Erase(ctx, id, models.At(started))
	if err != nil {
		return 0, nil, err
	}
	log := a.Log.With("customer_id", id, "events", e.Events, "facts", e.Facts, "cases", e.Cases, "follow_ups", e.FollowUps)
	if err := a.Store.CleanFiles(ctx); err != nil {
		log.Error("customer erased, but the files were not cleaned: erase the customer again", "err", err)
		return http.StatusInternalServerError, gin.H{"error": fmt.Sprintf("customer %d is erased, but bytes may be left in the database's files, "+
			"which could not be rewritten (the log says why): erase customer %d again", id, id)}, nil
	}
	log.Info("customer erased", "ms", time.Since(started).Milliseconds())
	return http.StatusOK, e, nil
}

func (a admin) erasures(c *gin.Context) (int, any, error) {
	return list(c, "erasures", noFilter, func(ctx context.Context, _ struct{}, p models.Page) ([]models.Erasure, error) {
		return a.Store.Erasures(ctx, p)
	}, func(e models.Erasure) int64 { return e.ID })
}

// export answers with all that is stored about a customer. It holds one event at a time.
func (a admin) export(c *gin.Context, id int64) (int, any, error) {
	ctx := c.Request.Context()
	x, err := a.Store.Export(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, streamed(func(w io.Writer) error {
		text, err := json.Marshal(x)
		if err != nil {
			return err
		}
		text = append(text[:len(text)-1], `,"events":[`...) // in place of the closing brace
		for i, id := range x.EventIDs {
			e, err := a.Store.ExportedEvent(ctx, id)
			if err != nil {
				return err
			}
			event, err := json.Marshal(struct {
				models.ExportedEvent
				payload
			}{e, newPayload(e.Event)})
			if err != nil {
				return err
			}
			if i > 0 {
				text = append(text, ',')
			}
			if _, err := w.Write(append(text, event...)); err != nil {
				return err
			}
			text = nil
		}
		_, err = w.Write(append(text, "]}\n"...))
		return err
	}), nil
}
