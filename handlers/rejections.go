package handlers

import (
	"sync"

	"example.com/identity-webhooks/models"
)

// Rejection is a delivery that was refused because it was not verified, or came to the wrong path. It holds no secret, MAC or body.
type Rejection struct {
	ID            int64       `json:"id"` // counts from 1 since the start
	Time          models.Time `json:"time"`
	Provider      string      `json:"provider"` // empty if the path names no known provider
	RemoteAddress string      `json:"remote_address"`
	Reason        Reason      `json:"reason"`
}

// Rejections counts rejected deliveries and keeps the last 100 in memory: a stranger must not fill the disk.
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

// count counts a rejection without keeping it: a flood would displace all others.
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

// Newest lists the kept rejections, newest first.
func (r *Rejections) Newest() []Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Rejection{}
	for i := r.added - 1; i >= 0 && i >= r.added-int64(len(r.ring)); i-- {
		list = append(list, r.ring[i%int64(len(r.ring))])
	}
	return list
}
