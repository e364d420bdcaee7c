package latency

// The kernels compared.
const (
	Ours   = "ours"
	Stock  = "stock gonb"
	Python = "ipykernel"
)

// The cells measured.
const (
	Hello  = "hello"  // a line of text
	Plot   = "plot"   // a picture, drawn and displayed
	Attach = "attach" // ask the engine for its status
	Step   = "step"   // one training step of a tiny language model in the engine
)

// Cells are the names of the cells, in the order of the table.
var Cells = []string{Hello, Plot, Attach, Step}

type plan struct {
	N       int      `json:"n"`
	Kernels []kernel `json:"kernels"`
	Load    *load    `json:"load"`
}

type kernel struct {
	Name  string `json:"name"`
	Spec  string `json:"spec"`
	Setup []code `json:"setup"`
	Cells []cell `json:"cells"`
}

type code = string

type cell struct {
	Name string `json:"name"`
	Code code   `json:"code"`
}

type load struct {
	Spec  string `json:"spec"`
	Setup []code `json:"setup"`
	Code  code   `json:"code"`
}

// goKernel is the plan of a kernel for Go. Its cells import nothing themselves: a
// notebook's first cell has done it.
func goKernel(name, spec, run string, trains bool) kernel {
	k := kernel{Name: name, Spec: spec,
		Setup: []code{`import ("fmt"; "math"; "hhrlhf/kernel/lab"; "hhrlhf/kernel/show"; "hhrlhf/rlhf")`},
		Cells: []cell{
			{Hello, "%%\nfmt.Println(\"hello\", {i})"},
			{Plot, "%%\nxs, ys := make([]float64, 200), make([]float64, 200)\nfor i := range xs {\n\txs[i], ys[i] = float64(i), math.Sin(float64(i+{i})/20)\n}\n" +
				"show.Lines(\"score\", \"step\", \"score\", []show.Series{{Name: \"run\", X: xs, Y: ys}})"},
			{Attach, "%%\nfmt.Println(lab.Must(lab.Attach().Status()).Backend, {i})"},
		}}
	if trains {
		k.Setup = append(k.Setup, "%%\nlab.Must(lab.Attach().LM(\""+run+"\", rlhf.LM{Size: rlhf.Tiny, Planned: 100000}))")
		k.Cells = append(k.Cells, cell{Step, "%%\nfor e, err := range lab.Must(lab.Attach().OpenLM(\"" + run + "\")).Steps(1) {\n\tlab.Check(err)\n\tfmt.Println(e.Step, {i})\n}"})
	}
	return k
}

// pythonKernel is the plan of ipykernel. It keeps its values and compiles next to
// nothing; its picture is drawn without matplotlib, which the private environment
// does not have: a curve set dot by dot and deflated by zlib, of the size that
// show.Lines has.
func pythonKernel(run string, trains bool) kernel {
	k := kernel{Name: Python, Spec: "python", Setup: []code{pythonSetup},
		Cells: []cell{
			{Hello, `print("hello", {i})`},
			{Plot, "display(Image(data=png([math.sin((x + {i}) / 20) for x in range(200)])))"},
			{Attach, `print(call("GET", "/v1/status")["backend"], {i})`},
		}}
	if trains {
		k.Setup = append(k.Setup, `call("POST", "/v1/lm/`+run+`", {"size": "tiny", "planned": 100000})`)
		k.Cells = append(k.Cells, cell{Step, `print(call("POST", "/v1/lm/` + run + `/steps", {"n": 1}), {i})`})
	}
	return k
}

const pythonSetup = `
import http.client, json, math, os, socket, struct, zlib
from IPython.display import Image, display

WIDTH, HEIGHT = 1920, 920

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["RLHF_ENGINE_SOCK"])

def call(method, path, body=None):
    engine = Engine("engine")
    engine.request(method, path, json.dumps(body) if body is not None else None, HEADERS)
    reply = engine.getresponse()
    text = reply.read().decode()
    if reply.status != 200:
        raise RuntimeError(text)
    lines = [json.loads(line) for line in text.splitlines() if line]
    return lines[0] if len(lines) == 1 else [l.get("step") for l in lines if l.get("point")]

def png(ys):
    white, ink = bytes([255, 255, 255]), bytes([0, 114, 178])
    rows = [bytearray(white * WIDTH) for _ in range(HEIGHT)]
    for i in range(4 * WIDTH):
        at = i / (4 * WIDTH) * (len(ys) - 1)
        k = int(at)
        y = ys[k] + (at - k) * (ys[k + 1] - ys[k])
        x, row = i // 4, int((1 - y) / 2 * (HEIGHT - 4))
        for r in rows[row:row + 4]:
            r[3 * x:3 * x + 3] = ink
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows), 6)) + chunk(b"IEND", b""))
`
