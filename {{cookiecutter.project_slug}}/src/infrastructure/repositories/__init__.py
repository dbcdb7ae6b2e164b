from chassis.persistence.repository import Repository as Repository
