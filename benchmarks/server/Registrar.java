import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.californium.endpoint.CaliforniumServerEndpointsProvider;

/**
 * Eclipse Leshan's server as its builder makes it, which keeps registrations in memory. Argument: its port on the
 * loopback interface. It ends when its input ends.
 */
public final class Registrar {
    private Registrar() {
    }

    public static void main(String[] arguments) throws Exception {
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[0]));
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setEndpointsProviders(
                new CaliforniumServerEndpointsProvider.Builder().addEndpoint(address, Protocol.COAP).build());
        LeshanServer server = builder.build();
        server.start();
        System.out.println("{}");
        while (System.in.read() >= 0) {
            continue;
        }
        System.exit(0);
    }
}
