package handlers

import (
	"sync"

	"example.com/identity-webhooks/models"
)

// Rejection is a delivery that was not verified. It holds no secret, MAC or body.
type Rejection struct {
	ID            int64       `json:"id"` // counts up from 1 since the start; add sets it
	Time          models.Time `json:"time"`
	Provider      string      `json:"provider"`
	RemoteAddress string      `json:"remote_address"`
	Reason        Reason      `json:"reason"`
}

// Rejections counts rejected deliveries and remembers the last 100, in memory only: a stranger must not fill the disk.
type Rejections struct {
	mu    sync.Mutex
	ring  [100]Rejection
	added int64 // to the ring
	total int64
}

func (r *Rejections) add(x Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.ID = r.added + 1
	r.ring[r.added%int64(len(r.ring))] = x
	r.added++
	r.total++
}

// count is add for those that are too many to be remembered: they would drive out all others.
func (r *Rejections) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
}

// Total is the number of rejections since the start.
func (r *Rejections) Total() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Newest lists the remembered rejections, newest first.
func (r *Rejections) Newest() []Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Rejection{}
	for i := r.added - 1; i >= 0 && i >= r.added-int64(len(r.ring)); i-- {
		list = append(list, r.ring[i%int64(len(r.ring))])
	}
	return list
}
