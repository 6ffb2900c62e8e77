// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// A kernel that does not compile: its file, the first error, and the whole log.
public final class KernelCompileException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String log;

    KernelCompileException(String file, String result, String log) {
        super("%s does not compile (%s): %s".formatted(file, result, firstError(log)));
        this.log = log;
    }

    public String log() {
        return log;
    }

    private static String firstError(String log) {
        return log.lines()
                .filter(line -> line.contains("error"))
                .findFirst()
                .or(() -> log.lines().filter(line -> !line.isBlank()).findFirst())
                .orElse("the compiler says nothing");
    }
}
