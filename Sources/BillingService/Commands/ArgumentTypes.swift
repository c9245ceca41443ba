import Adapters
import ArgumentParser
import Domain

extension Name: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension AccountID: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension ZoomPlan: ExpressibleByArgument {}

extension ColorChoice: ExpressibleByArgument {}

extension InvoiceID: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension CalendarDate: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}
