package dev.lockstep.cli;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsException;
import dev.lockstep.cluster.SettingsSpec;
import java.util.List;
import java.util.Locale;

/// Says what a model is and what would run where, from its headers alone.
final class InspectCommand implements Command {
    private static final SettingsSpec SPEC =
            SettingsSpec.of(ProcessKeys.TENSOR_PARALLEL, ProcessKeys.KV_DTYPE)
                    .takingArguments("PATH");

    @Override
    public String name() {
        return "inspect";
    }

    @Override
    public String summary() {
        return "print a model's configuration, tensors, and what each rank would hold";
    }

    @Override
    public String help() {
        return "Usage: lockstep inspect PATH [--tensor-parallel=RANKS]\n\n" + SPEC.help();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        Settings settings = Settings.parse(SPEC, arguments, System.getenv());
        if (settings.arguments().size() != 1) {
            throw new SettingsException(
                    "name one model: a folder, a .gguf file, a known name or a hub's org/name");
        }
        ModelChoice model =
                ModelChoice.ofUser(
                        "PATH", settings.arguments().getFirst(), Terminal.standardError());
        System.out.print(
                Inspection.text(
                        Checkpoint.open(model.path()),
                        settings.value(ProcessKeys.TENSOR_PARALLEL),
                        settings.value(ProcessKeys.KV_DTYPE).name().toLowerCase(Locale.ROOT)));
        return ExitCode.OK;
    }
}
