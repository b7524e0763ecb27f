package alert

import (
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	"github.com/prometheus/alertmanager/template"
)

// Templates renders the texts of a configuration with Alertmanager's functions. It is safe for concurrent use.
type Templates struct {
	t    *template.Template
	text *texttemplate.Template // t's
}

// NewTemplates reads template files by globs, beside Alertmanager's default templates.
func NewTemplates(globs ...string) (*Templates, error) {
	ts := new(Templates)
	t, err := template.FromGlobs(globs, func(text *texttemplate.Template, _ *htmltemplate.Template) { ts.text = text })
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	t.ExternalURL = &url.URL{}
	ts.t = t
	return ts, nil
}

// Redefined says whether the files give one of Alertmanager's default templates, or one that it calls, another text.
func (t *Templates) Redefined(name string) bool {
	standard, err := NewTemplates()
	return err == nil && differs(name, t.text, standard.text, map[string]bool{})
}

// differs says whether a template has another text in two sets, or one that it calls does; seen are those looked at.
func differs(name string, a, b *texttemplate.Template, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	one, other := a.Lookup(name), b.Lookup(name)
	if one == nil || one.Tree == nil || other == nil || other.Tree == nil {
		return (one == nil) != (other == nil)
	}
	if one.Root.String() != other.Root.String() {
		return true
	}
	for _, n := range one.Root.Nodes { // Alertmanager's call others from their top only
		if call, ok := n.(*parse.TemplateNode); ok && differs(call.Name, a, b, seen) {
			return true
		}
	}
	return false
}

// Execute renders a text with the data of a message: *Data, or what embeds it.
func (t *Templates) Execute(text string, data any) (string, error) {
	out, err := t.execute(text, data)
	if err != nil {
		return "", fmt.Errorf("rendering the template: %w", err)
	}
	return out, nil
}

// execute does as Alertmanager does, whose function routeLabels knows its own data only.
func (t *Templates) execute(text string, data any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	all, err := t.text.Clone()
	if err != nil {
		return "", err //nolint:wrapcheck // Execute does
	}
	if d, ok := data.(interface{ routeLabel(name string) string }); ok {
		all = all.Funcs(texttemplate.FuncMap{"routeLabels": d.routeLabel})
	}
	one, err := all.New("").Option("missingkey=zero").Parse(text)
	if err != nil {
		return "", err //nolint:wrapcheck // as above
	}
	var b strings.Builder
	err = one.Execute(&b, data)
	return b.String(), err //nolint:wrapcheck // as above
}

func (d *Data) routeLabel(name string) string { return d.RouteLabels[name] }

// checkTemplate says whether a text can be parsed as a template.
func checkTemplate(text string) error {
	t, err := template.New()
	if err == nil {
		err = t.Parse(strings.NewReader(text))
	}
	if err != nil {
		return fmt.Errorf("not a valid template: %w", err)
	}
	return nil
}

// routeLabels renders the labels of a route with the data of a message. One that cannot be rendered is left out.
func (a *Alerter) routeLabels(r *Route, d *Data) KV {
	out := KV{}
	if len(r.Labels) == 0 || a.options.Templates == nil {
		return out
	}
	render := a.options.Templates.t.RouteLabelRenderer(d.plain(r.Labels))
	for name := range r.Labels {
		if text, err := render(name); err == nil {
			out[name] = text
		}
	}
	return out
}

// plain returns the data as Alertmanager has it, with a route's labels as they are written.
func (d *Data) plain(labels map[string]string) *template.Data {
	p := &template.Data{Receiver: d.Receiver, Status: d.Status, GroupLabels: d.GroupLabels, CommonLabels: d.CommonLabels,
		CommonAnnotations: d.CommonAnnotations, RouteLabels: labels, ExternalURL: d.ExternalURL}
	for _, a := range d.Alerts {
		p.Alerts = append(p.Alerts, template.Alert{Status: a.Status, Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt,
			EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint})
	}
	return p
}
