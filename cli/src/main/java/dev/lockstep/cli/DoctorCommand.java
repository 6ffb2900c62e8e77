// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import dev.lockstep.kernels.cuda.LibrarySearch;
import dev.lockstep.worker.DeviceSettings;
import java.util.List;
import java.util.Optional;

/// Prints how devices are found on this host, step by step, and what a user can do.
final class DoctorCommand extends Command {
    DoctorCommand() {
        super(
                "doctor",
                "[--cuda-libraries=PATH]",
                "print how GPUs and their libraries are found, and what is missing",
                SettingsSpec.of(ProcessKeys.CUDA_LIBRARIES));
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        LibrarySearch search = LibrarySearch.of(DeviceSettings.libraries(settings));
        CudaProbe probe = CudaProbe.run(search);
        System.out.print(text(search, probe));
        return probe.withLibraries(search, false).problem().isEmpty()
                ? ExitCode.OK
                : ExitCode.UNUSABLE;
    }

    /// @param found before libraries were searched
    static String text(LibrarySearch search, CudaProbe found) {
        CudaProbe probe = found.withLibraries(search, true);
        var text = new StringBuilder();
        row(text, "CPU", InstructionSet.best().key());
        for (int i = 0; i < search.folders().size(); i++) {
            row(text, i == 0 ? "searched" : "", search.folders().get(i).toString());
        }
        probe.steps().forEach(step -> row(text, step.what(), step.found()));
        Optional<CudaUnavailableException> problem = probe.problem();
        boolean alone = found.withLibraries(search, false).problem().isEmpty();
        if (alone) {
            row(
                    text,
                    "result",
                    "--device cuda can be used" + (problem.isPresent() ? " by one rank" : ""));
        }
        if (problem.isPresent()) {
            row(text, "missing", problem.get().missing());
            row(text, "remedy", problem.get().remedy());
        }
        return text.toString();
    }

    private static void row(StringBuilder text, String key, String value) {
        text.append("%-18s %s%n".formatted(key, value));
    }
}
