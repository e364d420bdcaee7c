package main

func analysesCommand() command { return analysesCommands(terminal()) }

// analysesCommands are the paper's analyses of runs and files that are the user's own.
func analysesCommands(s shell) command {
	return command{
		name: "eval", short: "the paper's analyses, of your own models and files",
		long: `
Each command measures one thing that the paper measures, of runs, checkpoints and files
of yours. Results go to standard output, as JSON with -json, progress to standard error.
The whole study, claim by claim, is rlhf report.`,
		subs: []command{evalTasksCommand(s), evalCodeCommand(s), evalRobustnessCommand(s), evalOODCommand(s), evalRedteamCommand(s),
			evalBiasCommand(s), evalSentimentCommand(s), evalEloCommand(s), evalSamplesCommand(s), evalWritersCommand(s)},
	}
}
