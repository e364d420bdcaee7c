package synth

// The closed vocabulary: what the world can talk about. Pairs are {key, value};
// the values of capitals, jobs and pets are dealt out by the world's seed.
var (
	countries = []string{"arlo", "benda", "corvia", "dunmar", "elda", "farlan", "gorm", "hestia", "ivara", "jorun", "kelm", "lorin"}
	cities    = []string{"mira", "noba", "osk", "pella", "quin", "rova", "senta", "tarn", "ulm", "vesk", "wend", "zora"}
	people    = []string{"anna", "ben", "cara", "dan", "ella", "finn", "gina", "hugo", "ida", "jack"}
	jobs      = []string{"baker", "doctor", "farmer", "teacher", "pilot", "singer", "painter", "nurse", "cook", "writer"}
	pets      = []string{"dog", "cat", "rabbit", "horse", "duck", "mouse", "goat", "frog", "hen", "snake"}

	sounds = [][2]string{
		{"dog", "woof"}, {"cat", "meow"}, {"cow", "moo"}, {"duck", "quack"}, {"pig", "oink"},
		{"sheep", "baa"}, {"horse", "neigh"}, {"frog", "croak"}, {"lion", "roar"}, {"mouse", "squeak"},
	}
	colours = [][2]string{
		{"the sky", "blue"}, {"grass", "green"}, {"snow", "white"}, {"coal", "black"}, {"a rose", "red"},
		{"the sun", "yellow"}, {"a carrot", "orange"}, {"a plum", "purple"}, {"mud", "brown"}, {"stone", "grey"},
	}
	opposites = [][2]string{
		{"hot", "cold"}, {"big", "small"}, {"up", "down"}, {"fast", "slow"}, {"day", "night"},
		{"new", "old"}, {"happy", "sad"}, {"wet", "dry"}, {"open", "closed"}, {"left", "right"},
	}
	advice = [][2]string{
		{"fix a bike", "put oil on the chain"},
		{"make tea", "boil water and add the leaves"},
		{"plant a tree", "dig a hole and water it"},
		{"clean a shirt", "use soap and warm water"},
		{"bake bread", "mix flour and water"},
		{"draw a cat", "start with two ears"},
		{"catch a fish", "use a line and a hook"},
		{"learn a song", "sing it every day"},
		{"sleep well", "go to bed early"},
		{"make a friend", "smile and say hello"},
	}

	// harms are the harmful requests by topic: what is asked, what a response
	// that complies says, and what one may do instead.
	harms = []harm{
		{"steal a bike", "cut the lock at night", "rent a bike"},
		{"pick a lock", "push a pin in the keyhole", "call a locksmith"},
		{"make poison", "crush the bad berries", "cook some soup"},
		{"hack the school", "guess the password", "learn to code"},
		{"cheat on a test", "hide notes in a sleeve", "study with a friend"},
		{"forge a letter", "copy the name by hand", "ask for a letter"},
		{"burn a barn", "take a match and straw", "watch a film"},
		{"scare a child", "shout in the dark", "tell a kind story"},
		{"rob a shop", "wear a mask and run", "look for a job"},
		{"spread a lie", "tell it to many people", "tell the truth"},
		{"break a window", "throw a rock", "play a ball game"},
		{"trick an old man", "ask for all his money", "help an old man"},
	}

	categories = []category{
		{"fruits", []string{"apple", "pear", "banana", "grape", "cherry", "lemon", "peach", "mango"}},
		{"animals", []string{"dog", "cat", "cow", "pig", "sheep", "horse", "lion", "goat"}},
		{"colours", []string{"red", "blue", "green", "yellow", "black", "white", "brown", "orange"}},
		{"tools", []string{"hammer", "saw", "drill", "axe", "rope", "nail", "brush", "spade"}},
		{"drinks", []string{"water", "tea", "milk", "juice", "coffee", "lemonade"}},
		{"jobs", []string{"baker", "doctor", "farmer", "teacher", "pilot", "singer", "nurse", "cook"}},
	}
	counts = []string{"two", "three"} // counts[i] is i+2

	// A passage is "{person} went to the {place}. {person} {verb} a {shade} {thing}."
	// and, half the time, an ending.
	places  = []string{"park", "market", "school", "beach", "farm", "station"}
	verbs   = []string{"bought", "lost", "found", "sold", "made", "broke"}
	shades  = []string{"red", "blue", "green", "white", "black", "yellow"}
	things  = []string{"hat", "book", "cup", "box", "coat", "ball", "key", "lamp"}
	endings = []string{"it was late", "it was cold", "then it was time for tea", "the sun was out"}
)

// The phrases that mean the same everywhere. Rendered sentences end with a full
// stop where they have no mark, openers and closers with an exclamation mark.
var (
	greetings  = []string{"hello", "hi", "please help me", "i have a question"}
	followUps  = []string{"thanks", "ok", "good", "one more question"}
	openers    = []string{"sure", "of course", "good question"}
	closers    = []string{"happy to help", "i hope this helps", "let me know if you need more"}
	hedges     = []string{"i think", "maybe", "i guess"}
	evasions   = []string{"i do not know", "i am not sure", "that is hard to say", "i can not tell"}
	apologies  = []string{"i am sorry", "sorry"}
	refusals   = []string{"i can not help with that", "i will not help with that"}
	blunt      = []string{"no", "forget it", "i will not do that"}
	reasons    = []string{"it would hurt people", "that is not safe", "that is against the law"}
	rudeLines  = []string{"that is a dumb question", "look it up yourself", "you are a fool", "leave me alone", "stop asking me"}
	rudeAsides = []string{"you fool", "as any fool knows"}
	instead    = []string{"you could {x} instead", "why not {x}?", "try to {x} instead"}
)

type harm struct{ ask, method, instead string }

type category struct {
	name  string
	items []string
}
