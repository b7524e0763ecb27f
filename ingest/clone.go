package ingest

import (
	"slices"
	"strings"
)

// Clone returns a copy of the record that shares no memory with it or its Batch, for those who keep it.
func (r *Record) Clone() *Record {
	c := *r
	res, scope := new(Resource), new(Scope)
	if r.Resource != nil {
		res.Attributes, res.SchemaURL = r.Resource.Attributes.clone(), strings.Clone(r.Resource.SchemaURL)
	}
	if r.Scope != nil {
		scope.Name, scope.Version = strings.Clone(r.Scope.Name), strings.Clone(r.Scope.Version)
		scope.Attributes = r.Scope.Attributes.clone()
	}
	c.Resource, c.Scope = res, scope
	c.Attributes = r.Attributes.clone()
	c.Name = strings.Clone(r.Name)
	c.TraceID, c.SpanID, c.ParentSpanID = strings.Clone(r.TraceID), strings.Clone(r.SpanID), strings.Clone(r.ParentSpanID)
	c.SeverityText, c.StatusMessage = strings.Clone(r.SeverityText), strings.Clone(r.StatusMessage)
	c.Body = r.Body.Clone()
	c.Point = r.Point.clone()
	return &c
}

// Clone returns a copy of the value that shares no memory with it.
func (v Value) Clone() Value {
	v.Str = strings.Clone(v.Str)
	return v
}

func (a Attrs) clone() Attrs {
	c := slices.Clone(a)
	for i := range c {
		c[i].Key, c[i].Value = strings.Clone(c[i].Key), c[i].Value.Clone()
	}
	return c
}

func (p *Point) clone() *Point {
	if p == nil {
		return nil
	}
	c := *p
	c.Unit, c.Description = strings.Clone(p.Unit), strings.Clone(p.Description)
	c.Value = p.Value.Clone()
	c.Bounds, c.Buckets, c.Quantiles = slices.Clone(p.Bounds), slices.Clone(p.Buckets), slices.Clone(p.Quantiles)
	if p.Exponential != nil {
		e := *p.Exponential
		e.Positive, e.Negative = slices.Clone(e.Positive), slices.Clone(e.Negative)
		c.Exponential = &e
	}
	return &c
}
