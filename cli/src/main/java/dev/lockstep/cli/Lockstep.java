// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.google.common.collect.ImmutableMap;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.client.LockstepException;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Nearest;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.Version;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import dev.lockstep.kernels.cuda.CudaException;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import dev.lockstep.kernels.cuda.KernelCompileException;
import dev.lockstep.worker.TooLittleMemoryException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The entry point of the `lockstep` command.
public final class Lockstep {
    /// The commands by name. Each is created when it is needed: their settings load classes of
    /// every process, which a start would wait for.
    private static final ImmutableMap<String, Supplier<Command>> COMMANDS =
            ImmutableMap.<String, Supplier<Command>>builder()
                    .put("serve", ServeCommand::new)
                    .put("run", RunCommand::new)
                    .put("models", ModelsCommand::new)
                    .put("inspect", InspectCommand::new)
                    .put("convert", ConvertCommand::new)
                    .put("evaluate", EvaluateCommand::new)
                    .put("tokenize", TokenizeCommand::new)
                    .put("render", RenderCommand::new)
                    .put("parse", ParseCommand::new)
                    .put("grammar", GrammarCommand::new)
                    .put("coordinator", CoordinatorCommand::new)
                    .put("scheduler", SchedulerCommand::new)
                    .put("worker", WorkerCommand::new)
                    .put("zookeeper", ZooKeeperCommand::new)
                    .put("drain", DrainCommand::new)
                    .put("resize", ResizeCommand::new)
                    .put("certificates", CertificatesCommand::new)
                    .put("doctor", DoctorCommand::new)
                    .put("devices", DevicesCommand::new)
                    .put("bench", BenchCommand::new)
                    .put("replay", ReplayCommand::new)
                    .put("train-start-up", TrainStartUpCommand::new)
                    .build();

    private static final int INTERNAL_ERROR = -1;

    private Lockstep() {}

    public static void main(String[] words) {
        // The same number format on every host.
        Locale.setDefault(Locale.ROOT);
        System.exit(run(Arrays.asList(words), System.out, System.err));
    }

    /// Runs a command and returns its exit code; prints a failure as one line on `err`.
    static int run(List<String> words, PrintStream out, PrintStream err) {
        if (words.isEmpty() || words.getFirst().equals("help") || isHelp(words.getFirst())) {
            out.println(help());
            return words.isEmpty() ? ExitCode.USAGE : ExitCode.OK;
        }
        if (isVersion(words.getFirst())) {
            out.println("lockstep " + Version.TEXT);
            return ExitCode.OK;
        }
        String name = words.getFirst();
        List<String> arguments = words.subList(1, words.size());
        try {
            Command command = find(name);
            // What follows "--" is text.
            if (arguments.stream()
                    .takeWhile(word -> !word.equals("--"))
                    .anyMatch(Lockstep::isHelp)) {
                out.println(command.help());
                return ExitCode.OK;
            }
            return command.run(arguments);
        } catch (Exception e) {
            return report(name, e, err);
        }
    }

    /// Prints a failure as one line, after a stack trace if it is an internal error. Returns the
    /// exit code.
    static int report(String command, Exception failure, PrintStream err) {
        int code = exitCode(failure);
        if (code == INTERNAL_ERROR) {
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
            case TooLittleMemoryException e -> ExitCode.UNUSABLE;
            case OutOfDeviceMemoryException e -> ExitCode.UNUSABLE;
            case CudaUnavailableException e -> ExitCode.UNUSABLE;
            case KernelCompileException e -> ExitCode.UNUSABLE;
            case CudaException e -> ExitCode.FAILED;
            case DeviceLostException e -> ExitCode.DEVICE_LOST;
            case UnusableException e -> ExitCode.UNUSABLE;
            case IOException e -> ExitCode.FAILED;
            case UncheckedIOException e -> ExitCode.FAILED;
            default -> INTERNAL_ERROR;
        };
    }

    /// Returns the message of a failure in one line; for an `UncheckedIOException`, appends the
    /// message of the root cause unless it is included.
    private static String line(Exception failure) {
        String text = message(failure);
        Throwable root = failure;
        while (root.getCause() != null && failure instanceof UncheckedIOException) {
            root = root.getCause();
        }
        String more = message(root);
        return (text.contains(more) ? text : text + ": " + more).replaceAll("\\R+", " ");
    }

    /// Returns the message. Some file system exceptions name only the file: appends the exception
    /// type in words.
    private static String message(Throwable failure) {
        String message = failure.getMessage();
        if (message == null) {
            return failure.toString();
        }
        if (failure instanceof FileSystemException file && file.getReason() == null) {
            String type = failure.getClass().getSimpleName().replace("Exception", "");
            String reason = type.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
            return message + ": " + reason;
        }
        return message;
    }

    /// Returns the names of the settings of all commands.
    static Set<String> keyNames() {
        return all().flatMap(command -> command.keyNames().stream()).collect(Collectors.toSet());
    }

    private static Stream<Command> all() {
        return COMMANDS.values().stream().map(Supplier::get);
    }

    private static boolean isVersion(String word) {
        return word.equals("--version") || word.equals("-V") || word.equals("version");
    }

    private static boolean isHelp(String word) {
        return word.equals("--help") || word.equals("-h");
    }

    private static Command find(String name) {
        Supplier<Command> command = COMMANDS.get(name);
        if (command != null) {
            return command.get();
        }
        List<String> names = COMMANDS.keySet().asList();
        throw new SettingsException(
                Nearest.of(name, names)
                        .map(near -> "no such command; did you mean " + near + "?")
                        .orElse("no such command; commands are " + String.join(", ", names)));
    }

    private static String help() {
        var text =
                new StringBuilder(
                        "lockstep serves large language models.\n\nUsage: lockstep COMMAND [--key=value …]\n\n");
        all().forEach(
                        command ->
                                text.append(
                                        "  %-14s %s%n"
                                                .formatted(command.name(), command.summary())));
        text.append("  %-14s %s%n".formatted("version", "print the version, as --version does"));
        return text.append("\nlockstep COMMAND --help lists a command's settings.").toString();
    }
}
