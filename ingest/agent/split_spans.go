package agent

import (
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// spans turns a request into messages: one per resource, or more where it is larger than the limit. It takes td apart.
func (d *delivery) spans(td ptrace.Traces) (*parcel, error) {
	p := newParcel(ingest.Spans, d.topics.Spans, d.maxRecord)
	keys, groups := groupSpans(td, d)
	for i, group := range groups {
		var err error
		if n := group.SpanCount(); n == 0 {
			continue
		} else if (&ptrace.ProtoMarshaler{}).TracesSize(group) > p.limit {
			err = p.cutSpans(keys[i], group)
		} else {
			err = p.addSpans(keys[i], group)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// groupSpans gathers the resources of equal key, in order of first appearance.
func groupSpans(td ptrace.Traces, d *delivery) (keys []uint64, groups []ptrace.Traces) {
	at := map[uint64]int{}
	for _, rs := range td.ResourceSpans().All() {
		d.amend(rs.Resource())
		key := resourceKey(rs.Resource())
		i, found := at[key]
		if !found {
			i = len(groups)
			at[key] = i
			keys, groups = append(keys, key), append(groups, ptrace.NewTraces())
		}
		rs.MoveTo(groups[i].ResourceSpans().AppendEmpty())
	}
	return keys, groups
}

func (p *parcel) addSpans(key uint64, td ptrace.Traces) error {
	value, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	return p.add(key, value, err, td.SpanCount())
}

func (p *parcel) cutSpans(key uint64, td ptrace.Traces) error {
	var sizer ptrace.ProtoMarshaler
	pack := packer{limit: p.limit}
	out := ptrace.NewTraces()
	var resource ptrace.ResourceSpans
	var scope ptrace.ScopeSpans
	for _, rs := range td.ResourceSpans().All() {
		bareResource := ptrace.NewResourceSpans()
		rs.Resource().CopyTo(bareResource.Resource())
		bareResource.SetSchemaUrl(rs.SchemaUrl())
		pack.nextResource(sizer.ResourceSpansSize(bareResource))
		for _, ss := range rs.ScopeSpans().All() {
			bareScope := ptrace.NewScopeSpans()
			ss.Scope().CopyTo(bareScope.Scope())
			bareScope.SetSchemaUrl(ss.SchemaUrl())
			pack.nextScope(sizer.ScopeSpansSize(bareScope))
			for _, span := range ss.Spans().All() {
				size := sizer.SpanSize(span)
				if !pack.fits(size) {
					p.rejected++
					continue
				}
				cut, openResource, openScope := pack.place(size)
				if cut {
					if err := p.addSpans(key, out); err != nil {
						return err
					}
					out = ptrace.NewTraces()
				}
				if openResource {
					resource = out.ResourceSpans().AppendEmpty()
					bareResource.CopyTo(resource)
				}
				if openScope {
					scope = resource.ScopeSpans().AppendEmpty()
					bareScope.CopyTo(scope)
				}
				span.MoveTo(scope.Spans().AppendEmpty())
			}
		}
	}
	if out.SpanCount() == 0 {
		return nil
	}
	return p.addSpans(key, out)
}
