// Package tasks asks language models the public tests of capability that the paper measures
// (Bai et al. 2022, section 4.6.1, appendix E, figures 3, 28, 29): multiple choice (MMLU,
// ARC, OpenBookQA, HellaSwag), cloze (LAMBADA) and questions to be answered freely
// (TriviaQA), with and without examples before the question; and the same three kinds of
// questions about a synthetic world, whose truth is known. It holds no model: [Ask] drives a
// [Model], such as any [rlhf.LMRun].
//
//	t, err := tasks.Open("eval/arc_easy.jsonl")
//	r, err := tasks.Ask(model, t, tasks.Options{Shots: 5, N: 200})
//	r.Accuracy(tasks.Sum)                     // n, share, 95 % Wilson interval
//	change, err := tasks.Compare(before, after, tasks.Sum)
//
// # Files
//
// [Open] reads the files as they are published, by their names:
//
//	mmlu.zip                      Hendrycks et al. 2021: data/{dev,test}/SUBJECT_{dev,test}.csv
//	arc_easy, arc_challenge       {"query", "choices", "gold"} a line (llm-foundry's form)
//	openbook_qa                   the same; the query is the beginning of a sentence
//	hellaswag…                    {"activity_label", "ctx_a", "ctx_b", "endings", "label"}
//	lambada…                      {"context", "continuation"}, or {"text"}
//	triviaqa…                     {"context", "answer", "aliases"}
//
// Another .jsonl is recognised by the fields of its first line. An error names the file,
// the line and the field. TruthfulQA.csv (Lin et al. 2022) is asked as MC1 behind [QA]. BBQ and
// Winogender have readers of their own, [OpenBBQ] and [OpenWinogender], as their measures
// need more than an answer; texts of known sentiment have [OpenSentiment].
//
// # How a model is asked
//
// Multiple choice: the log-probability of each choice after the question, Σ log p(token);
// the answer is the highest. [Norm] says what that sum is divided by, or compared with.
// Cloze: right if a model that always takes its first choice writes the word; also its
// log-probability. Free answers: the model writes, greedily, up to the first stop, and is
// right if that equals one of the right answers once both are normalised, see [ExactMatch].
//
// The wording is that of the public harness (EleutherAI's lm-evaluation-harness), as is the
// measure that each task is quoted by:
//
//	task            prompt                                                   measure
//	arc_easy        Question: …\nAnswer:                                     sum     (harness: acc)
//	arc_challenge   Question: …\nAnswer:                                     char    (acc_norm)
//	openbook_qa     the sentence's beginning                                 char    (acc_norm)
//	hellaswag       ACTIVITY: context                                        char    (acc_norm)
//	mmlu            The following are … about SUBJECT.\n\n…\nA. …\nAnswer:   sum over the letters
//	lambada         the passage; with examples: … ____. ->                   greedy, perplexity
//	triviaqa        Question: …\nAnswer:                                     exact match
//
// [Lettered] lists the choices in the prompt as the paper does, "(A) … (B) …", and asks for
// the letter. [Dialogue] puts a question into the mouth of the paper's Human.
//
// # Differences from the paper
//
//   - The number of examples is not stated there; it is an option here. They are other items of
//     the same file, drawn for each item by the seed; MMLU's are the first of its
//     development set, as in the harness. The model's context must hold them: what does not
//     fit is cut off at the beginning.
//   - Which normalisation the paper uses, it does not say.
//   - The harness stops TriviaQA's answers at a line end, a full stop or a comma; so do we.
//   - TruthfulQA's primer has four questions of our own; the published one has six.
//   - The word lists of appendix B.10 are the paper's; here occupations are Winogender's and
//     the twelve pairs of terms our own, and so is the sentence around them, [WorksAs].
//   - The groups and beginnings of [Beginnings] are of the kinds that Gopher's authors ask
//     about, and our own.
package tasks
