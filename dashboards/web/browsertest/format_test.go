package browsertest

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/freshet-dev/freshet/dashboards/web"
)

// What the page's modules make of numbers, asked in the browser that runs them.
func TestFormatsAndScales(t *testing.T) {
	b := start(t, 800, 600)
	if b == nil {
		return
	}
	page := web.New(web.Options{})
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()
	b.do(chromedp.Navigate(server.URL))

	for _, test := range []struct{ module, expression, want string }{
		{"format", "number(0)", "0"},
		{"format", "number(null)", "–"},
		{"format", "number(12.345)", "12.3"},
		{"format", "number(-0.05)", "-0.05"},
		{"format", "number(412.4)", "412"},
		{"format", "number(9999)", "9999"},
		{"format", "number(12430)", "12.4k"},
		{"format", "number(5.2e9)", "5.2G"},
		{"format", "number(0.00001234)", "1.2e-5"},
		{"format", "value(0, 's')", "0 s"},
		{"format", "value(0.00025, 's')", "250 µs"},
		{"format", "value(0.43, 's')", "430 ms"},
		{"format", "value(1.5, 's')", "1.5 s"},
		{"format", "value(4000, 's')", "1 h 6 min"},
		{"format", "value(250, 'ms')", "250 ms"},
		{"format", "value(1.5e9, 'By')", "1.5 GB"},
		{"format", "value(12, '{request}')", "12"},
		{"format", "value(0.25, '1')", "0.25"},
		{"format", "value(97.5, '%')", "97.5 %"},
		{"format", "value(3, 'Cel')", "3 Cel"},
		{"format", "duration(0.4)", "0 s"},
		{"format", "duration(59.7)", "1 min"},
		{"format", "duration(134)", "2 min 14 s"},
		{"format", "duration(86400 * 2 + 3 * 3600)", "2 d 3 h"},
		{"format", "['90m', '1 h 30 min', '1.5h', '2d', '1w', ' 45 MIN '].map(parseDuration).join()", "5400,5400,5400,172800,604800,2700"},
		{"format", "['', '0s', 'soon', '2', '2 h soon', 'x 2 h', '-2h'].map(parseDuration).join()", ",,,,,,"},
		{"format", "parseDuration(duration(8130))", "8100"},
		{"format", "moment(0, 0) === clock(0) && at(0, 0) === minute(0) && moment(0, 9e8) === at(0, 9e8)", "true"},
		{"matchers", "matchersOf({a: 'b', 'http.route': '/x', 'a b': '\\\\\"'}).join(' ')", `a="b" http.route="/x" "a b"="\\\""`},
		{"format", "group({alertname: 'A', severity: 'critical', service_name: 'checkout', http_route: '/cart'})", "checkout · /cart"},
		{"format", "group({})", ""},
		{"format", "plural(1, 'rule') + ', ' + plural(2, 'rule')", "1 rule, 2 rules"},
		// An axis holds its values and the threshold, begins at 0 where that does not flatten the lines, and is never empty.
		{"scale", "JSON.stringify(valueScale(10, 40, 100))", `{"low":0,"high":150,"ticks":[0,50,100,150],"threshold":true}`},
		{"scale", "JSON.stringify(valueScale(0, 0, null))", `{"low":0,"high":1.5,"ticks":[0,0.5,1,1.5],"threshold":false}`},
		{"scale", "JSON.stringify(valueScale(98, 99, 99.5).low)", "98"},
		{"scale", "valueScale(1, 2, 5000).threshold", "false"},
		{"scale", "valueScale(-5, 5, null).low <= -5", "true"},
		{"scale", "timeTicks(0, 300, 300).ticks.length <= 4", "true"},
	} {
		expression := "import('./static/" + test.module + ".js').then(m => { const {number, value, duration, group, plural, parseDuration, moment, at, clock, minute, matchersOf, valueScale, timeTicks} = m; return String(" + test.expression + "); })"
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", test.expression, err)
		}
		if got != test.want {
			t.Errorf("%s is %q, expected %q", test.expression, got, test.want)
		}
	}
}
