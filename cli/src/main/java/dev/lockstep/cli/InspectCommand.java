// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.DeviceListing;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.worker.DeviceSettings;
import java.util.List;
import java.util.Locale;

/// Prints what a model is and what each rank would hold; reads only its headers.
final class InspectCommand extends Command {
    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                            ProcessKeys.TENSOR_PARALLEL,
                            ProcessKeys.KV_DTYPE,
                            ProcessKeys.DEVICE,
                            ProcessKeys.CUDA_LIBRARIES)
                    .takingArguments("PATH");

    InspectCommand() {
        super(
                "inspect",
                "PATH [--tensor-parallel=RANKS]",
                "print a model's configuration, tensors, and what each rank would hold",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 1) {
            throw new SettingsException(
                    "name one model: a folder, a .gguf file, a known name or a hub's org/name");
        }
        ModelChoice model =
                ModelChoice.ofUser(
                        "PATH", settings.arguments().getFirst(), Terminal.standardError());
        Inspection inspection =
                Inspection.of(
                        model.path(),
                        settings.value(ProcessKeys.TENSOR_PARALLEL),
                        settings.value(ProcessKeys.KV_DTYPE).name().toLowerCase(Locale.ROOT),
                        DeviceListing.choose(DeviceSettings.ofDescription(settings), 1)
                                .capabilities());
        System.out.print(inspection.text());
        if (inspection.refusal().isPresent()) {
            throw new UnusableException(inspection.refusal().get());
        }
        return ExitCode.OK;
    }
}
