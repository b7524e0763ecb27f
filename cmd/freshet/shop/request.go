package shop

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	acquirer = "acquirer.example.com"
	// patience is how long checkout waits for payment.
	patience = 2500 * time.Millisecond
	// background is the share of requests that fail on a good day.
	background = 0.005
)

// outcome is what becomes of a payment.
type outcome int

const (
	paid      outcome = iota
	paidLate          // after 1.5 to 2 s
	declined          // at once: a passing fault of the acquirer
	exhausted         // at once: the bad version has no connection left
	timedOut          // after more than 2 s
	refused           // payment accepts no connections
)

// pay draws what becomes of a payment and how long the acquirer takes.
func (s *Shop) pay(at time.Time) (outcome, time.Duration) {
	luck := s.rng.Float64()
	slow := s.between(1500*time.Millisecond, 3*time.Second)
	fast := s.spread(55, 0.3)
	switch {
	case s.failing && at.Before(s.refusing):
		return refused, 0
	case s.failing && luck < 0.42:
		return exhausted, s.between(20*time.Millisecond, 60*time.Millisecond)
	case s.failing && luck < 0.62 && slow < 2*time.Second:
		return paidLate, slow
	case s.failing && luck < 0.62:
		return timedOut, slow
	case luck > 1-background:
		return declined, fast
	default:
		return paid, fast
	}
}

// checkout is a customer who buys what is in the cart.
func (s *Shop) checkout(at time.Time) {
	t := s.newTrace()
	s.orders++
	order := fmt.Sprintf("ord-%06d", s.orders%1_000_000)
	root := t.server(s.instances[Frontend], nil, at, "POST", "/checkout", "/checkout")
	call := t.client(root, at.Add(s.spread(4, 0.4)), "POST", Checkout, "/api/orders")
	handle := t.server(s.instances[Checkout], call, call.start.Add(s.wire()), "POST", "/api/orders", "/api/orders")
	root.orderID, handle.orderID = order, order

	reserved := s.reserve(t, handle, handle.start.Add(s.spread(6, 0.3)), order)
	answered, status, problem := s.charge(t, handle, reserved.Add(s.spread(1, 0.2)), order)

	done := answered.Add(s.spread(4, 0.3))
	seconds := done.Sub(handle.start).Seconds()
	if status == 200 {
		s.logAt(done, entry{in: handle.in, severity: plog.SeverityNumberInfo, trace: t, span: handle, orderID: order, access: true,
			body: fmt.Sprintf("order %s placed in %.3fs", order, seconds)})
	} else {
		handle.exception, handle.statusText = problem, problem.message
		s.logAt(done, entry{in: handle.in, severity: plog.SeverityNumberError, trace: t, span: handle, orderID: order, access: true,
			exception: problem, body: fmt.Sprintf("order %s failed after %.3fs: %s", order, seconds, problem.message)})
	}
	t.finish(handle, done, status)
	s.later(done, func(*collector) {
		if status == 200 {
			handle.in.meter.orders[0]++
			return
		}
		handle.in.meter.orders[1]++
		s.waiting++ // it is tried again later
	})

	back := done.Add(s.wire())
	t.finish(call, back, status)
	shown := back.Add(s.spread(2, 0.3))
	if status == 200 {
		s.logAt(shown, entry{in: root.in, severity: plog.SeverityNumberInfo, trace: t, span: root, access: true,
			body: fmt.Sprintf("POST /checkout 200 %dms", shown.Sub(at).Milliseconds())})
	} else {
		s.logAt(shown, entry{in: root.in, severity: plog.SeverityNumberWarn, trace: t, span: root, access: true,
			body: fmt.Sprintf("POST /checkout %d %dms: showing the retry page for order %s", status, shown.Sub(at).Milliseconds(), order)})
	}
	t.finish(root, shown, status)
}

// reserve takes the goods from the stock and returns when the answer is there.
func (s *Shop) reserve(t *trace, parent *span, at time.Time, order string) time.Time {
	call := t.client(parent, at, "POST", Inventory, "/api/reservations")
	handle := t.server(s.instances[Inventory], call, at.Add(s.wire()), "POST", "/api/reservations", "/api/reservations")
	handle.orderID = order
	done := handle.start.Add(s.spread(8, 0.4))
	s.logAt(done, entry{in: handle.in, severity: plog.SeverityNumberInfo, trace: t, span: handle, orderID: order,
		body: fmt.Sprintf("reserved %d items order=%s", 1+s.rng.IntN(5), order)})
	t.finish(handle, done, 201)
	back := done.Add(s.wire())
	t.finish(call, back, 201)
	return back
}

// charge lets payment take the money. It returns when checkout goes on, with which status it answers, and why.
func (s *Shop) charge(t *trace, parent *span, at time.Time, order string) (time.Time, int, *exception) {
	what, took := s.pay(at)
	t.incident = what == refused || what == exhausted || what == timedOut
	call := t.client(parent, at, "POST", Payment, "/api/charges")
	if what == refused {
		back := at.Add(s.wire())
		problem := &exception{"net.OpError", "payment: dial tcp 10.12.3.17:8080: connect: connection refused", stack("checkout", "charge.go:88")}
		call.errorType, call.statusText, call.exception = "ECONNREFUSED", problem.message, problem
		t.finish(call, back, 0)
		return back, 500, problem
	}

	in := s.instances[Payment]
	handle := t.server(in, call, at.Add(s.wire()), "POST", "/api/charges", "/api/charges")
	handle.orderID = order
	out := t.client(handle, handle.start.Add(s.spread(5, 0.3)), "POST", acquirer, "/v2/charges")
	settled := out.start.Add(took)
	done := settled.Add(s.spread(2, 0.3))
	back := done.Add(s.wire())

	status, problem := 200, (*exception)(nil)
	switch what {
	case paid, paidLate:
		s.logAt(done, entry{in: in, severity: plog.SeverityNumberInfo, trace: t, span: handle, orderID: order,
			body: fmt.Sprintf("charged %d.%02d EUR order=%s", 5+s.rng.IntN(180), s.rng.IntN(100), order)})
	case declined:
		status, problem = 502, &exception{"acquirer.Error", "payment declined by acquirer: 503 Service Unavailable order=" + order, stack("payment", "acquirer.go:141")}
	case exhausted:
		status, problem = 502, &exception{"acquirer.PoolExhausted", "payment declined by acquirer: no free connection (0 of 8) order=" + order, stack("payment", "pool.go:57")}
	case timedOut:
		status, problem = 504, &exception{"acquirer.Timeout", "payment declined by acquirer: upstream timeout after 2000ms order=" + order, stack("payment", "acquirer.go:118")}
	case refused:
	}
	acquired := map[outcome]int{paid: 201, paidLate: 201, declined: 503}[what]
	if problem != nil {
		handle.exception, handle.statusText = problem, problem.message
		out.statusText = problem.message
		if acquired == 0 {
			out.errorType = problem.kind
		}
		s.logAt(done, entry{in: in, severity: plog.SeverityNumberError, trace: t, span: handle, orderID: order, exception: problem, body: problem.message})
	}
	t.finish(out, settled, acquired)
	t.finish(handle, done, status)

	if late := at.Add(patience); back.After(late) {
		gaveUp := &exception{"context.DeadlineExceeded", fmt.Sprintf("payment did not answer within %dms", patience.Milliseconds()), stack("checkout", "charge.go:88")}
		call.errorType, call.statusText, call.exception = "timeout", gaveUp.message, gaveUp
		t.finish(call, late, 0)
		return late, 504, gaveUp
	}
	t.finish(call, back, status)
	switch status {
	case 200:
		return back, 200, nil
	case 504:
		return back, 504, &exception{"payment.Error", "payment answered 504 Gateway Timeout", stack("checkout", "charge.go:97")}
	default:
		return back, 500, &exception{"payment.Error", fmt.Sprintf("payment answered %d Bad Gateway", status), stack("checkout", "charge.go:97")}
	}
}

// browse is a customer who looks at a product.
func (s *Shop) browse(at time.Time) {
	t := s.newTrace()
	sku := fmt.Sprintf("sku-%04d", 1000+s.rng.IntN(400))
	root := t.server(s.instances[Frontend], nil, at, "GET", "/products/{sku}", "/products/"+sku)
	call := t.client(root, at.Add(s.spread(3, 0.4)), "GET", Inventory, "/api/stock/"+sku)
	handle := t.server(s.instances[Inventory], call, call.start.Add(s.wire()), "GET", "/api/stock/{sku}", "/api/stock/"+sku)
	done := handle.start.Add(s.spread(6, 0.5))
	back := done.Add(s.wire())
	shown := back.Add(s.spread(5, 0.4))
	status, severity := 200, plog.SeverityNumberInfo
	if s.rng.Float64() < background {
		status, severity = 500, plog.SeverityNumberWarn
		problem := &exception{"pgconn.ConnectError", "stock lookup failed: connection reset by peer sku=" + sku, stack("inventory", "stock.go:64")}
		handle.exception, handle.statusText = problem, problem.message
		s.logAt(done, entry{in: handle.in, severity: plog.SeverityNumberError, trace: t, span: handle, exception: problem, access: true, body: problem.message})
	}
	t.finish(handle, done, status)
	t.finish(call, back, status)
	s.logAt(shown, entry{in: root.in, severity: severity, trace: t, span: root, access: true,
		body: fmt.Sprintf("GET /products/%s %d %dms", sku, status, shown.Sub(at).Milliseconds())})
	t.finish(root, shown, status)
}

// wire is the time that one way over the network takes.
func (s *Shop) wire() time.Duration { return s.spread(0.6, 0.3) }

func stack(service, line string) string {
	return fmt.Sprintf("goroutine 417 [running]:\nexample.com/shop/%s.(*Server).handle(...)\n\t/src/%s/%s\nnet/http.HandlerFunc.ServeHTTP(...)", service, service, line)
}
