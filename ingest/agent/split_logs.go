package agent

import (
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest"
)

// logs turns a request into messages: one per resource, or more where it is larger than the limit. It takes ld apart.
func (d *delivery) logs(ld plog.Logs) (*parcel, error) {
	p := newParcel(ingest.Logs, d.topics.Logs, d.maxRecord)
	keys, groups := groupLogs(ld, d)
	for i, group := range groups {
		var err error
		if n := group.LogRecordCount(); n == 0 {
			continue
		} else if (&plog.ProtoMarshaler{}).LogsSize(group) > p.limit {
			err = p.cutLogs(keys[i], group)
		} else {
			err = p.addLogs(keys[i], group)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// groupLogs gathers the resources of equal key, in order of first appearance.
func groupLogs(ld plog.Logs, d *delivery) (keys []uint64, groups []plog.Logs) {
	at := map[uint64]int{}
	for _, rl := range ld.ResourceLogs().All() {
		d.amend(rl.Resource())
		key := resourceKey(rl.Resource())
		i, found := at[key]
		if !found {
			i = len(groups)
			at[key] = i
			keys, groups = append(keys, key), append(groups, plog.NewLogs())
		}
		rl.MoveTo(groups[i].ResourceLogs().AppendEmpty())
	}
	return keys, groups
}

func (p *parcel) addLogs(key uint64, ld plog.Logs) error {
	value, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	return p.add(key, value, err, ld.LogRecordCount())
}

func (p *parcel) cutLogs(key uint64, ld plog.Logs) error {
	var sizer plog.ProtoMarshaler
	pack := packer{limit: p.limit}
	out := plog.NewLogs()
	var resource plog.ResourceLogs
	var scope plog.ScopeLogs
	for _, rl := range ld.ResourceLogs().All() {
		bareResource := plog.NewResourceLogs()
		rl.Resource().CopyTo(bareResource.Resource())
		bareResource.SetSchemaUrl(rl.SchemaUrl())
		pack.nextResource(sizer.ResourceLogsSize(bareResource))
		for _, sl := range rl.ScopeLogs().All() {
			bareScope := plog.NewScopeLogs()
			sl.Scope().CopyTo(bareScope.Scope())
			bareScope.SetSchemaUrl(sl.SchemaUrl())
			pack.nextScope(sizer.ScopeLogsSize(bareScope))
			for _, record := range sl.LogRecords().All() {
				size := sizer.LogRecordSize(record)
				if !pack.fits(size) {
					p.rejected++
					continue
				}
				cut, openResource, openScope := pack.place(size)
				if cut {
					if err := p.addLogs(key, out); err != nil {
						return err
					}
					out = plog.NewLogs()
				}
				if openResource {
					resource = out.ResourceLogs().AppendEmpty()
					bareResource.CopyTo(resource)
				}
				if openScope {
					scope = resource.ScopeLogs().AppendEmpty()
					bareScope.CopyTo(scope)
				}
				record.MoveTo(scope.LogRecords().AppendEmpty())
			}
		}
	}
	if out.LogRecordCount() == 0 {
		return nil
	}
	return p.addLogs(key, out)
}
