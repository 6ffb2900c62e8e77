package dev.lockstep.cli;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.client.LockstepException;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Nearest;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.worker.OutOfHostMemoryException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// The `lockstep` command.
public final class Lockstep {
    private static final List<Command> COMMANDS =
            List.of(
                    new ServeCommand(),
                    new RunCommand(),
                    new ModelsCommand(),
                    new InspectCommand(),
                    new TokenizeCommand(),
                    new RenderCommand(),
                    new CoordinatorCommand(),
                    new SchedulerCommand(),
                    new WorkerCommand(),
                    new ZooKeeperCommand(),
                    new BenchCommand(),
                    new ReplayCommand(),
                    new TrainStartUpCommand());

    private static final int MISTAKE_OF_OURS = -1;

    private Lockstep() {}

    public static void main(String[] words) {
        // Numbers read alike everywhere.
        Locale.setDefault(Locale.ROOT);
        System.exit(run(Arrays.asList(words), System.out, System.err));
    }

    /// The exit code; whatever went wrong is one line on `err`.
    static int run(List<String> words, PrintStream out, PrintStream err) {
        if (words.isEmpty() || words.getFirst().equals("help") || isHelp(words.getFirst())) {
            out.println(help());
            return words.isEmpty() ? ExitCode.USAGE : ExitCode.OK;
        }
        String name = words.getFirst();
        List<String> arguments = words.subList(1, words.size());
        try {
            Command command = find(name);
            if (arguments.stream().anyMatch(Lockstep::isHelp)) {
                out.println(command.help());
                return ExitCode.OK;
            }
            return command.run(arguments);
        } catch (Exception e) {
            return report(name, e, err);
        }
    }

    /// Prints a failure in one line, with a stack trace only where it is a mistake of ours. Returns
    /// the exit code.
    static int report(String command, Exception failure, PrintStream err) {
        int code = exitCode(failure);
        if (code == MISTAKE_OF_OURS) {
            failure.printStackTrace(err);
            err.println("lockstep " + command + ": " + failure);
            return ExitCode.FAILED;
        }
        err.println("lockstep " + command + ": " + line(failure));
        return code;
    }

    private static int exitCode(Exception failure) {
        return switch (failure) {
            case SettingsException e -> ExitCode.USAGE;
            case CheckpointException e -> ExitCode.UNUSABLE;
            case IllegalArgumentException e -> ExitCode.UNUSABLE;
            case UnsupportedOperationException e -> ExitCode.UNUSABLE;
            case LockstepException e -> ExitCode.UNUSABLE;
            case OutOfHostMemoryException e -> ExitCode.UNUSABLE;
            case UnusableException e -> ExitCode.UNUSABLE;
            case IOException e -> ExitCode.FAILED;
            case UncheckedIOException e -> ExitCode.FAILED;
            default -> MISTAKE_OF_OURS;
        };
    }

    /// What a failure says of itself, and what lies at its bottom where it does not say that.
    private static String line(Exception failure) {
        String text = words(failure);
        Throwable bottom = failure;
        while (bottom.getCause() != null && failure instanceof UncheckedIOException) {
            bottom = bottom.getCause();
        }
        String more = words(bottom);
        return (text.contains(more) ? text : text + ": " + more).replaceAll("\\R+", " ");
    }

    /// The message of some says only which file: there the type says what happened.
    private static String words(Throwable failure) {
        String message = failure.getMessage();
        if (message == null) {
            return failure.toString();
        }
        if (failure instanceof FileSystemException file && file.getReason() == null) {
            String type = failure.getClass().getSimpleName().replace("Exception", "");
            String happened = type.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
            return message + ": " + happened;
        }
        return message;
    }

    private static boolean isHelp(String word) {
        return word.equals("--help") || word.equals("-h");
    }

    private static Command find(String name) {
        for (Command command : COMMANDS) {
            if (command.name().equals(name)) {
                return command;
            }
        }
        List<String> names = COMMANDS.stream().map(Command::name).toList();
        throw new SettingsException(
                Nearest.of(name, names)
                        .map(near -> "no such command; did you mean " + near + "?")
                        .orElse("no such command; commands are " + String.join(", ", names)));
    }

    private static String help() {
        StringBuilder text =
                new StringBuilder(
                        "lockstep serves large language models.\n\nUsage: lockstep COMMAND [--key=value …]\n\n");
        for (Command command : COMMANDS) {
            text.append("  %-14s %s%n".formatted(command.name(), command.summary()));
        }
        return text.append("\nlockstep COMMAND --help lists a command's settings.").toString();
    }
}
