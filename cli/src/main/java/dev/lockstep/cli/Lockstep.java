package dev.lockstep.cli;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.client.LockstepException;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.SettingsException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The `lockstep` command.
public final class Lockstep {
    private static final List<Command> COMMANDS =
            List.of(
                    new ServeCommand(),
                    new RunCommand(),
                    new ModelsCommand(),
                    new CoordinatorCommand(),
                    new SchedulerCommand(),
                    new WorkerCommand(),
                    new ZooKeeperCommand(),
                    new BenchCommand(),
                    new TrainStartUpCommand());

    private Lockstep() {}

    public static void main(String[] words) {
        System.exit(run(Arrays.asList(words)));
    }

    /// The exit code; whatever went wrong is one line on standard error.
    private static int run(List<String> words) {
        if (words.isEmpty() || words.getFirst().equals("help") || isHelp(words.getFirst())) {
            System.out.println(help());
            return words.isEmpty() ? ExitCode.USAGE : ExitCode.OK;
        }
        String name = words.getFirst();
        List<String> arguments = words.subList(1, words.size());
        try {
            Command command = find(name);
            if (arguments.stream().anyMatch(Lockstep::isHelp)) {
                System.out.println(command.help());
                return ExitCode.OK;
            }
            return command.run(arguments);
        } catch (SettingsException e) {
            return fail(name, e.getMessage(), ExitCode.USAGE);
        } catch (CheckpointException
                | IllegalArgumentException
                | UnsupportedOperationException
                | LockstepException
                | UnusableException e) {
            return fail(name, e.getMessage(), ExitCode.UNUSABLE);
        } catch (UncheckedIOException e) {
            return fail(name, e.getMessage(), ExitCode.FAILED);
        } catch (Exception e) {
            e.printStackTrace();
            return fail(name, e.toString(), ExitCode.FAILED);
        }
    }

    private static int fail(String command, @Nullable String message, int code) {
        System.err.println("lockstep " + command + ": " + message);
        return code;
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
        throw new SettingsException("no such command; commands are " + String.join(", ", names));
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
