// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/// Handlers of POSIX signals.
///
/// A shutdown hook cannot distinguish SIGINT from SIGTERM, and the JDK's only way to do so is
/// `sun.misc.Signal` of module jdk.unsupported. It is called reflectively because naming it causes
/// a compiler warning that nothing turns off, and here warnings are errors.
final class Signals {

    private Signals() {}

    /// Runs `action`, on a thread of the JVM, each time the signal arrives; the JVM no longer exits
    /// because of it.
    ///
    /// @param name without SIG: `TERM`
    static void handle(String name, Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            MethodHandles.Lookup lookup = MethodHandles.publicLookup();
            MethodHandle run =
                    lookup.findVirtual(Runnable.class, "run", MethodType.methodType(void.class))
                            .bindTo(action);
            Object adapter =
                    MethodHandleProxies.asInterfaceInstance(
                            handler, MethodHandles.dropArguments(run, 0, signal));
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), adapter);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this JVM cannot handle SIG" + name, e);
        }
    }
}
