// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.launch.ProbeLines;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.LibrarySearch;
import dev.lockstep.worker.DeviceSettings;
import java.util.List;

/// Lists the GPUs for the launcher, which keeps the driver out of its own process.
final class DevicesCommand extends Command {
    DevicesCommand() {
        super(
                "devices",
                "[--cuda-libraries=PATH]",
                "list the GPUs of this host for other commands; people use doctor",
                SettingsSpec.of(ProcessKeys.CUDA_LIBRARIES));
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        LibrarySearch search = LibrarySearch.of(DeviceSettings.libraries(settings));
        ProbeLines.write(CudaProbe.run(search)).forEach(System.out::println);
        return ExitCode.OK;
    }
}
