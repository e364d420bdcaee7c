package tokenizer

// Templates returns the templates that are known by name, the paper's first:
//
//	""         the paper's Human and Assistant
//	chatml     <|im_start|>role ... <|im_end|>, no system prompt of its own
//	smollm2    chatml with SmolLM2's system prompt
//	qwen2      chatml with Qwen 2's system prompt
//	qwen2.5    chatml with Qwen 2.5's
//	zephyr     <|user|> ... </s> (TinyLlama)
//	llama2     [INST] ... [/INST]
//	llama3     <|start_header_id|>role<|end_header_id|> ... <|eot_id|>
//
// Their texts lay dialogues out as the published ones of these models do.
func Templates() []Template {
	return []Template{
		{},
		{"chatml", chatML("")},
		{"smollm2", chatML("You are a helpful AI assistant named SmolLM, trained by Hugging Face")},
		{"qwen2", chatML("You are a helpful assistant.")},
		{"qwen2.5", chatML("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")},
		{"zephyr", zephyr},
		{"llama2", llama2},
		{"llama3", llama3},
	}
}

// chatML is OpenAI's layout; system is what the model is told if the dialogue
// has no system prompt.
func chatML(system string) string {
	first := ""
	if system != "" {
		first = `{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\n` + system + `<|im_end|>\n' }}{% endif %}`
	}
	return `{% for message in messages %}` + first +
		`{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`
}

const (
	zephyr = `{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}`

	llama2 = `{% set ns = namespace(system='') %}{% for message in messages %}` +
		`{% if message['role'] == 'system' %}{% set ns.system = '<<SYS>>\n' + message['content'] + '\n<</SYS>>\n\n' %}` +
		`{% elif message['role'] == 'user' %}{% set content = ns.system + message['content'] %}` +
		`{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% set ns.system = '' %}` +
		`{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}`

	llama3 = `{{ bos_token }}{% for message in messages %}` +
		`{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'].strip() + '<|eot_id|>' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`
)
