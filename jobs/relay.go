package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/models"
)

const (
	// window is how many tasks of a queue may wait in Redis. A backlog waits in SQL, where it costs nothing.
	window = 100
	// tasksPerBatch is how many tasks a batch of offers becomes, and how many of them are on their way to Redis at once.
	tasksPerBatch = 8
	// offerBatch is how many events one statement offers.
	offerBatch = 100
	// crowdPause is how long the relay rests after a batch of each queue while deliveries crowd in: the acknowledgements come first,
	// and the work goes on at up to a thousand events a second and queue.
	crowdPause = 100 * time.Millisecond
	// relayPoll is how often the relay looks when nobody wakes it: for retries, and for what other processes received.
	relayPoll = 200 * time.Millisecond
	// recallEvery is how often the relay looks for events that a clock which was ahead has put off.
	recallEvery = 10 * time.Second
	// redisPause is how long the relay leaves a Redis alone that did not answer.
	redisPause = 500 * time.Millisecond
	// taskType is the only one: event types are told apart by the row, since asynq's ServeMux matches by prefix.
	taskType = "event"
)

// Relay offers the inbox's due events to the queue, and again if they get lost there. Any number of relays may run.
type Relay struct {
	store  *models.Store
	queue  *Queue
	client *asynq.Client
	log    *slog.Logger
	woken  chan struct{}
	now    func() time.Time
}

// NewRelay returns a relay that is idle until Run.
func NewRelay(store *models.Store, q *Queue, log *slog.Logger) *Relay {
	return &Relay{
		store: store, queue: q, log: log, now: time.Now, woken: make(chan struct{}, 1),
		client: asynq.NewClientFromRedisClient(q.relay),
	}
}

// Wake makes the relay look at once. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// Run offers events until ctx is done. Trouble with the database or Redis is logged and outlasted.
func (r *Relay) Run(ctx context.Context) error {
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	recalls := time.NewTicker(recallEvery)
	defer recalls.Stop()
	for down := false; ; {
		more, err := r.round(ctx)
		select {
		case <-recalls.C:
			err = errors.Join(err, r.recall(ctx))
		default:
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !down {
				r.log.Warn("relay cannot offer events; they wait in the inbox", "err", err)
			}
			down = true
			if !pause(ctx, redisPause) {
				return nil
			}
			continue
		case down:
			r.log.Info("relay offers events again")
			down = false
		}
		if r.store.Crowded() { // they would wake it all the time
			if !pause(ctx, crowdPause) {
				return nil
			}
			continue
		}
		if more {
			continue
		}
		select {
		case <-r.woken:
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round offers one batch per queue, and reports whether there is more to do at once. While Redis does not answer it offers
// nothing, so that no offer is wasted.
func (r *Relay) round(ctx context.Context) (more bool, err error) {
	for _, queue := range []string{models.CriticalQueue, models.DefaultQueue} {
		room, err := r.room(ctx, queue)
		if err != nil {
			return false, err
		}
		limit := min(room, offerBatch)
		if limit == 0 {
			continue
		}
		offers, dead, err := r.store.OfferEvents(ctx, queue, limit, r.now())
		if err != nil {
			return false, err
		}
		for _, o := range dead {
			r.log.Error("event failed", "event_id", o.ID, "err", "the worker died in each attempt")
		}
		if err := r.enqueue(ctx, queue, offers); err != nil {
			return false, err
		}
		more = more || len(offers) == limit
	}
	return more, nil
}

// recall makes events due that a clock has put off.
func (r *Relay) recall(ctx context.Context) error {
	for _, queue := range []string{models.CriticalQueue, models.DefaultQueue} {
		n, err := r.store.RecallEvents(ctx, queue, r.now())
		if err != nil {
			return err
		}
		if n > 0 {
			r.log.Warn("a clock was ahead: events it had put off are due now", "queue", queue, "events", n)
		}
	}
	return nil
}

// room is how many more tasks the queue may take. Asking also shows whether Redis answers. The key is asynq's own: its
// Inspector would sample the memory use of up to a hundred keys to tell the same number.
func (r *Relay) room(ctx context.Context, queue string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	waiting, err := r.queue.relay.LLen(ctx, "asynq:{"+queue+"}:pending").Result()
	if err != nil {
		return 0, fmt.Errorf("look at queue %s: %w", queue, err)
	}
	return max(0, window-int(waiting)), nil
}

// enqueue hands the offers to asynq: one a task, or of a backlog several, since a task costs more than the work on an event.
// A task that fails needs no care: its rows are due again soon, and another task ID keeps the two apart.
func (r *Relay) enqueue(ctx context.Context, queue string, offers []models.Offer) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tasksPerBatch)
	for some := range slices.Chunk(offers, 1+len(offers)/tasksPerBatch) {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			id := offerText(some[0])
			_, err := r.client.EnqueueContext(ctx, asynq.NewTask(taskType, payload(some)),
				asynq.TaskID(id), asynq.Queue(queue), asynq.MaxRetry(0), asynq.Timeout(models.ClaimTimeout))
			if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) { // a conflict: go-redis has sent it twice
				return fmt.Errorf("enqueue %s: %w", id, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// payload is all that a task carries, as in event:17:1 event:18:1. No personal data ever enters Redis.
func payload(offers []models.Offer) []byte {
	var texts []string
	for _, o := range offers {
		texts = append(texts, offerText(o))
	}
	return []byte(strings.Join(texts, " "))
}

// offerText names an offer, and the task that it is the first of.
func offerText(o models.Offer) string {
	return "event:" + strconv.FormatInt(o.ID, 10) + ":" + strconv.Itoa(o.Offers)
}

func parsePayload(payload []byte) (offers []models.Offer, err error) {
	for text := range strings.FieldsSeq(string(payload)) {
		id, count, found := strings.Cut(strings.TrimPrefix(text, "event:"), ":")
		n, err := strconv.ParseInt(id, 10, 64)
		times, err2 := strconv.Atoi(count)
		if !found || err != nil || err2 != nil {
			return nil, fmt.Errorf("task %q is not one of ours", payload)
		}
		offers = append(offers, models.Offer{ID: n, Offers: times})
	}
	return offers, nil
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
